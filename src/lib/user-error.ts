/** Something the user can mend: one line that says what was wrong, where, and what to do next. Printed without a stack; exit status 1. */
export class UserError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UserError';
  }
}
