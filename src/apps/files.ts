// What a program sees of a file system. A call returns through its callback, as everything does that a program waits for.

export type FileEntry =
  | { readonly kind: 'file'; readonly content: Uint8Array /** ms since 1970 */; readonly modified: number }
  | { readonly kind: 'directory'; readonly names: readonly DirectoryName[] }
  | { readonly kind: 'missing' };

export interface DirectoryName {
  readonly name: string;
  readonly directory: boolean;
}

export interface Files {
  /** Reads a file or lists a directory, by its absolute path. */
  look(path: string, done: (entry: FileEntry) => void): void;
  /** Writes at the end of a file, which is made if it is not there; `error`: why not, as strerror() says it. */
  append(path: string, bytes: Uint8Array, done: (error: string | null) => void): void;
}

/** A file system with nothing in it. */
export const NO_FILES: Files = {
  look: (_path, done) => done({ kind: 'missing' }),
  append: (_path, _bytes, done) => done('No such file or directory'),
};
