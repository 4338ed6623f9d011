/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/** The gateway cannot start: exit code 1. */
export class StartError extends Error {}
