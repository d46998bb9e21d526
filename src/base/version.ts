// The version of podwire: what `podwire --version` prints and what captures name as their writer. It is a constant, so
// that no floor below cli/ has to read a file; test/project/package.test.ts holds it against package.json.

export const VERSION = '0.1.0';
