/** What a caller's own code threw. It must not be taken for a failure of the store, whatever it looks like. */
export class CallerError {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** Calls a hook of the caller's. @throws CallerError */
export function callHook(hook: () => void): void {
  try {
    hook();
  } catch (error) {
    throw new CallerError(error);
  }
}
