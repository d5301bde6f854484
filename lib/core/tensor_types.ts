// What types know of tensors: shapes and dtypes as far as a program writes them down. `any` stands for what is not
// known: it fits everywhere, so that a plain Tensor never stands in the way.
import type { HostArray, NestedArray, TypedArray } from './host.js'
import type { DType, DynamicShape, Shape } from './spec.js'
import type { Tensor } from './tensor.js'

/** What types do not know. */
// biome-ignore lint/suspicious/noExplicitAny: only any fits a known shape and takes one
export type Unknown = any

/** True for what types do not know. */
export type IsUnknown<T> = 0 extends 1 & T ? true : false

/** A shape as a type: a list of unknown length is not known. */
export type KnownShape<S extends Shape> = number extends S['length'] ? Unknown : S extends readonly [...infer R extends Shape] ? R : never

/** A dtype as a type: one of all is not known. */
export type KnownDType<D extends DType> = DType extends D ? Unknown : NoInfer<D>

/** What `shape` of a Tensor gives: a list of numbers where the type does not know it. */
export type ShapeField<S> = S extends readonly [...infer R extends Shape] ? readonly [...R] : never

type AsShape<S> = S extends Shape ? S : never

/** The shape of an operand: of a tensor, number, typed array or nested arrays. */
export type ShapeOf<X> =
  IsUnknown<X> extends true ? Unknown : X extends Tensor<infer S, Unknown> ? S : AsShape<X extends number | boolean ? [] : ListShape<X, []>>

type ListShape<X, Outer extends unknown[]> = X extends TypedArray
  ? [...Outer, number]
  : X extends readonly []
    ? [...Outer, 0]
    : X extends readonly [infer First, ...unknown[]]
      ? First extends number | boolean
        ? [...Outer, X['length']]
        : ListShape<First, [...Outer, X['length']]>
      : X extends readonly (infer Row)[]
        ? [Row] extends [number | boolean]
          ? [...Outer, number]
          : [Row] extends [TypedArray | readonly unknown[]]
            ? ListShape<Row, [...Outer, number]>
            : Unknown
        : Unknown

/** The shape of a batch of samples; null is an extent that varies. */
export type BatchOf<S extends DynamicShape> = number extends S['length']
  ? Unknown
  : [number, ...{ -readonly [K in keyof S]: S[K] extends null ? number : S[K] }]

/** The numbers and booleans at the bottom of nested arrays. */
type LeafOf<V> = V extends readonly (infer E)[]
  ? [E] extends [number | boolean]
    ? E
    : [E] extends [readonly unknown[]]
      ? LeafOf<E>
      : unknown
  : V

/** The dtype of values, as tensor() takes it from them. */
export type ValuesDType<V> =
  IsUnknown<V> extends true
    ? Unknown
    : V extends Float32Array | Float64Array
      ? 'float32'
      : V extends Int32Array | Int16Array | Uint16Array | Uint32Array
        ? 'int32'
        : V extends Uint8Array | Uint8ClampedArray
          ? 'uint8'
          : V extends Int8Array
            ? 'int8'
            : V extends BigInt64Array
              ? 'int64'
              : [LeafOf<V>] extends [never]
                ? 'float32'
                : [LeafOf<V>] extends [boolean]
                  ? 'bool'
                  : [LeafOf<V>] extends [number]
                    ? 'float32'
                    : Unknown

/** A tensor of a computed shape and dtype. */
export type Result<S, D> = Tensor<S extends Shape ? S : never, D extends DType ? D : never>

/** The dtype of a tensor. */
export type DTypeOf<X> = IsUnknown<X> extends true ? Unknown : X extends Tensor<Unknown, infer D> ? D : Unknown

type Float = 'float16' | 'bfloat16' | 'float32' | 'float64'

/** What operations compute in: floats, numbers (bools become int32), or anything. The result may be bools. */
export type ResultKind = 'float' | 'number' | 'total' | 'any' | 'bool'

/** The dtype of the result of an operation of one operand. */
export type UnaryDType<K extends ResultKind, D> = K extends 'bool'
  ? 'bool'
  : IsUnknown<D> extends true
    ? Unknown
    : D extends Float
      ? D
      : K extends 'float'
        ? 'float32'
        : K extends 'total'
          ? 'int32'
          : D extends 'bool'
            ? K extends 'any'
              ? 'bool'
              : 'int32'
            : D

/** A number or nested arrays, which take the dtype of the tensor that they meet. */
type Constant = number | boolean | readonly unknown[]

/** The dtype of the result of an operation of two operands. Where both are not the same, types do not know it. */
export type BinaryDType<K extends ResultKind, A, B> = K extends 'bool'
  ? 'bool'
  : [DTypeOf<A>, DTypeOf<B>] extends [infer D, infer E]
    ? B extends Constant
      ? D extends Float
        ? D
        : Unknown
      : A extends Constant
        ? E extends Float
          ? E
          : Unknown
        : IsUnknown<D> extends true
          ? Unknown
          : IsUnknown<E> extends true
            ? Unknown
            : [D, E] extends [E, D]
              ? UnaryDType<K, D>
              : Unknown
    : never

/** The dtype of tensors that are joined: not known where they differ. */
export type JoinedDType<X> = IsUnknown<DTypeOf<X>> extends true ? Unknown : [DTypeOf<X>] extends [Both<DTypeOf<X>>] ? DTypeOf<X> : Unknown

/** What all of a union have in common: never where they differ. */
export type Both<U> = (U extends unknown ? (x: U) => void : never) extends (x: infer I) => void ? I : never

/** What data() gives of a dtype. */
export interface HostArrays {
  bool: Uint8Array
  uint8: Uint8Array
  int8: Int8Array
  int32: Int32Array
  int64: BigInt64Array
  float16: Float32Array
  bfloat16: Float32Array
  float32: Float32Array
  float64: Float64Array
}

/** The values of a tensor as data() gives them. */
export type DataOf<T> = IsUnknown<DTypeOf<T>> extends true ? HostArray : HostArrays[DTypeOf<T>]

type Nested<S, V> = S extends readonly [unknown, ...infer Rest] ? Nested<Rest, V>[] : V

/** The values of a tensor as array() gives them: nested as deep as the shape is long. */
export type ArrayOf<T> =
  IsUnknown<ShapeOf<T>> extends true
    ? NestedArray
    : Nested<ShapeOf<T>, IsUnknown<DTypeOf<T>> extends true ? number | boolean : DTypeOf<T> extends 'bool' ? boolean : number>
