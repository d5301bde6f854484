// What is used of jsfive, which comes without types.
declare module 'jsfive' {
  export class Group {
    readonly keys: string[]
    get(path: string): Group | Dataset | null
  }
  export class Dataset {
    readonly shape: number[]
    readonly dtype: string | unknown[]
    readonly value: ArrayLike<number>
  }
  export class File extends Group {
    constructor(bytes: ArrayBuffer, name: string)
  }
}
