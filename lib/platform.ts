// The few names of the platform that nodegrad's declarations say, for projects that have neither Node's types nor the DOM's.
// Where those are, these merge with them and add nothing; a stream is described by what is called on it (progress.ts).

declare global {
  interface AbortSignal {
    readonly aborted: boolean;
  }

  interface URL {
    href: string;
  }

  // Of ES2022.
  interface ErrorOptions {
    cause?: unknown;
  }

  // Node.js has had the symbols since 18.18; TypeScript's libraries have them from ESNext.Disposable on.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
}

export {};
