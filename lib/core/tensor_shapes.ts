// Arithmetic on shapes as types. A shape is a tuple of numbers, `number` where an extent is not known; `any` where
// nothing is. What does not fit gives an object type whose key says so: it is what the compiler then shows.
import type { Both, IsUnknown, Unknown } from './tensor_types.js'

/** The extent that two meet in: never where they do not fit. */
type Meet<A, B> = number extends A
  ? B extends 1
    ? number
    : B
  : number extends B
    ? A extends 1
      ? number
      : A
    : A extends B
      ? A
      : A extends 1
        ? B
        : B extends 1
          ? A
          : never

type MeetFromEnd<A, B, R extends unknown[]> = A extends [...infer FrontA, infer LastA]
  ? B extends [...infer FrontB, infer LastB]
    ? [Meet<LastA, LastB>] extends [never]
      ? never
      : MeetFromEnd<FrontA, FrontB, [Meet<LastA, LastB>, ...R]>
    : [...A, ...R]
  : B extends unknown[]
    ? [...B, ...R]
    : never

/** The shape that two broadcast to; never where they do not. */
export type Broadcast<A, B> =
  IsUnknown<A> extends true
    ? Unknown
    : IsUnknown<B> extends true
      ? Unknown
      : B extends []
        ? A
        : A extends []
          ? B
          : [A, B] extends [B, A]
            ? A
            : MeetFromEnd<A, B, []>

/** Nothing (unknown) where two shapes broadcast, else what is wrong. */
export type BroadcastCheck<A, B> = [Broadcast<A, B>] extends [never] ? { 'shapes do not broadcast': [A, B] } : unknown

/** The extents of a shape by the names of its axes: '0', '1', '-1', ... */
type AxisTable<S, Before extends unknown[] = []> = S extends [infer Extent, ...infer Rest]
  ? Record<`${Before['length']}` | `-${S['length'] & number}`, Extent> & AxisTable<Rest, [...Before, 0]>
  : unknown

/** The names of the axes of a shape. */
type AxisNames<S> = keyof AxisTable<S> & string

type IsLiteral<N> = [N] extends [number] ? (number extends N ? false : true) : false

/** Whether a type is one number: of several it is not known which. */
type IsOne<N> = IsLiteral<N> extends true ? ([N] extends [Both<N>] ? true : false) : false

/** Nothing where axes are of a shape, else what is wrong. */
export type AxisCheck<S, A> =
  IsUnknown<S> extends true
    ? unknown
    : IsLiteral<A> extends true
      ? [Exclude<`${A & number}`, AxisNames<S>>] extends [never]
        ? unknown
        : { 'axis out of range': [axis: A, shape: S] }
      : A extends readonly number[]
        ? AxisCheck<S, A[number]>
        : unknown

type Reduce<S, Names extends string, Keep, Before extends unknown[], R extends unknown[]> = S extends [infer Extent, ...infer Rest]
  ? Reduce<
      Rest,
      Names,
      Keep,
      [...Before, 0],
      [Extract<Names, `${Before['length']}` | `-${S['length'] & number}`>] extends [never]
        ? [...R, Extent]
        : Keep extends true
          ? [...R, 1]
          : R
    >
  : R

/** The shape that a reduction leaves. */
export type Reduced<S, A, Keep> =
  IsUnknown<S> extends true
    ? Unknown
    : boolean extends Keep
      ? Unknown
      : A extends undefined
        ? Keep extends true
          ? { [K in keyof S]: 1 }
          : []
        : IsOne<A> extends true
          ? Reduce<S, `${A & number}`, Keep, [], []>
          : A extends readonly []
            ? S
            : A extends readonly number[]
              ? IsLiteral<A[number]> extends true
                ? Reduce<S, `${A[number]}`, Keep, [], []>
                : Unknown
              : Unknown

type Reversed<S> = S extends [infer First, ...infer Rest] ? [...Reversed<Rest>, First] : []

type At<T, Axis> = `${Axis & number}` extends keyof T ? T[`${Axis & number}` & keyof T] : never

type AtEach<T, P extends readonly unknown[]> = P extends readonly [infer First, ...infer Rest] ? [At<T, First>, ...AtEach<T, Rest>] : []

/** The shape with its axes in another order. */
export type Permuted<S, P> =
  IsUnknown<S> extends true
    ? Unknown
    : P extends undefined
      ? Reversed<S>
      : P extends readonly number[]
        ? number extends P['length']
          ? Unknown
          : IsLiteral<P[number]> extends true
            ? AtEach<AxisTable<S>, P>
            : Unknown
        : Unknown

/** Nothing where a list names every axis of a shape, else what is wrong. */
export type PermutationCheck<S, P> =
  IsUnknown<S> extends true
    ? unknown
    : P extends readonly number[]
      ? number extends P['length']
        ? unknown
        : P['length'] extends (S & readonly unknown[])['length']
          ? AxisCheck<S, P>
          : { 'not a permutation of the axes': [permutation: P, shape: S] }
      : unknown

type Agree<A, B> = number extends A ? true : number extends B ? true : A extends B ? true : false

type Flip<S, T> = T extends true ? (S extends [...infer Lead, infer M, infer N] ? [...Lead, N, M] : S) : S

type Product<A, B> = A extends [...infer LeadA, infer M, unknown]
  ? B extends [...infer LeadB, unknown, infer N]
    ? Broadcast<LeadA, LeadB> extends infer L extends unknown[]
      ? [...L, M, N]
      : never
    : B extends [unknown]
      ? [...LeadA, M]
      : never
  : A extends [unknown]
    ? B extends [...infer LeadB, unknown, infer N]
      ? [...LeadB, N]
      : []
    : never

/** The shape of a matrix product. */
export type MatrixProduct<A, B, FlipA, FlipB> =
  IsUnknown<A> extends true
    ? Unknown
    : IsUnknown<B> extends true
      ? Unknown
      : boolean extends FlipA
        ? Unknown
        : boolean extends FlipB
          ? Unknown
          : Product<Flip<A, FlipA>, Flip<B, FlipB>>

type Inner<A, B> = A extends [...unknown[], infer K]
  ? B extends [...unknown[], infer L, unknown]
    ? [K, L]
    : B extends [infer L]
      ? [K, L]
      : { 'matMul: a scalar is not a matrix': [A, B] }
  : { 'matMul: a scalar is not a matrix': [A, B] }

type InnerCheck<A, B> =
  Inner<A, B> extends [infer K, infer L]
    ? Agree<K, L> extends true
      ? [Product<A, B>] extends [never]
        ? { 'matMul: leading axes do not broadcast': [A, B] }
        : unknown
      : { 'matMul: inner sizes differ': [K, L] }
    : Inner<A, B>

/** Nothing where two shapes have a matrix product, else what is wrong. */
export type MatMulCheck<A, B, FlipA, FlipB> =
  IsUnknown<A> extends true
    ? unknown
    : IsUnknown<B> extends true
      ? unknown
      : boolean extends FlipA
        ? unknown
        : boolean extends FlipB
          ? unknown
          : InnerCheck<Flip<A, FlipA>, Flip<B, FlipB>>

/** A shape with each -1 an unknown extent. */
export type Resolved<S> = number extends (S & readonly unknown[])['length']
  ? Unknown
  : { -readonly [K in keyof S]: S[K] extends -1 ? number : S[K] }

type Insert<S extends unknown[], Name extends string, E, Before extends unknown[]> = Name extends
  | `${Before['length']}`
  | `-${[...S, 0]['length'] & number}`
  ? [...Before, E, ...S]
  : S extends [infer First, ...infer Rest]
    ? Insert<Rest, Name, E, [...Before, First]>
    : never

/** The shape with a new axis of extent E. */
export type Inserted<S, A, E> =
  IsUnknown<S> extends true ? Unknown : IsOne<A> extends true ? (S extends unknown[] ? Insert<S, `${A & number}`, E, []> : never) : Unknown

/** Nothing where a new axis has a place in a shape, else what is wrong. */
export type InsertCheck<S, A> = [Inserted<S, A, 1>] extends [never] ? { 'axis out of range': [axis: A, shape: S] } : unknown

type WithoutOnes<S> = S extends [infer First, ...infer Rest] ? (First extends 1 ? WithoutOnes<Rest> : [First, ...WithoutOnes<Rest>]) : []

/** The shape without axes of extent 1. */
export type Squeezed<S, A> =
  IsUnknown<S> extends true
    ? Unknown
    : A extends undefined
      ? number extends (S & number[])[number]
        ? Unknown
        : WithoutOnes<S>
      : Reduced<S, A, false>

/** Nothing where the named axes have extent 1, else what is wrong. */
export type SqueezeCheck<S, A> =
  AxisCheck<S, A> extends infer Wrong
    ? unknown extends Wrong
      ? IsUnknown<S> extends true
        ? unknown
        : IsOne<A> extends true
          ? 1 extends At<AxisTable<S>, A>
            ? unknown
            : number extends At<AxisTable<S>, A>
              ? unknown
              : { 'squeeze: the axis has an extent other than 1': [axis: A, shape: S] }
          : unknown
      : Wrong
    : never

/** The shape with the extent of one axis replaced. */
export type Replaced<S, A, E> = IsUnknown<S> extends true ? Unknown : IsOne<A> extends true ? Replace<S, `${A & number}`, E, []> : Unknown

type Replace<S, Name extends string, E, Before extends unknown[]> = S extends [infer First, ...infer Rest]
  ? Name extends `${Before['length']}` | `-${S['length'] & number}`
    ? [...Before, E, ...Rest]
    : Replace<Rest, Name, E, [...Before, First]>
  : Unknown

/** Nothing where a variable of one shape takes a value of another, else what is wrong. */
export type AssignCheck<S, V> =
  IsUnknown<S> extends true
    ? unknown
    : IsUnknown<V> extends true
      ? unknown
      : Same<S, V> extends true
        ? unknown
        : { 'assign: the variable has another shape': [variable: S, value: V] }

type Same<A, B> = A extends [infer FirstA, ...infer RestA]
  ? B extends [infer FirstB, ...infer RestB]
    ? Agree<FirstA, FirstB> extends true
      ? Same<RestA, RestB>
      : false
    : false
  : B extends []
    ? true
    : false

/** The shape with the extent of its last axis replaced. */
export type WithLast<S, E> = IsUnknown<S> extends true ? Unknown : S extends [...infer Lead, unknown] ? [...Lead, E] : Unknown

/** The shape with one more axis at its end. */
export type WithNew<S, E> = IsUnknown<S> extends true ? Unknown : S extends [...infer Lead] ? [...Lead, E] : Unknown

/** A batch of rows: what is behind the first axis becomes one. */
export type Flat<S> =
  IsUnknown<S> extends true
    ? Unknown
    : S extends [infer Batch, infer Extent]
      ? [Batch, Extent]
      : S extends [infer Batch, ...unknown[]]
        ? [Batch, number]
        : Unknown
