// What the shell says when a script runs into one of its limits. just-bash names its own settings there, which nobody who
// writes a script can change: told instead are what happened, which limit it was, and what to do.

/** just-bash 3: "WHERE: WHAT (NUMBER), increase executionLimits.NAME". */
const LIMIT = /^(?:bash: )?(.*?)[,;] increase executionLimits\.(\w+)$/gm;

const ADVICE: ReadonlyMap<string, (where: string, limit: string) => string> = new Map([
  [
    'maxLoopIterations',
    (where, limit) =>
      `${where}: stopped after ${limit} rounds, the most that podwire runs of one loop: give it an end, or split the script`,
  ],
  [
    'maxCommandCount',
    (_where, limit) =>
      `stopped after ${limit} commands, the most that podwire runs of one script: look for a loop without end, or split the script`,
  ],
  [
    'maxCallDepth',
    (where, limit) =>
      `${where}: stopped at ${limit} calls within one another, the most that podwire runs: look for a function that calls itself without end`,
  ],
  [
    'maxSourceDepth',
    (_where, limit) =>
      `source: stopped at ${limit} files within one another, the most that podwire reads: look for a file that sources itself`,
  ],
  [
    'maxOutputSize',
    (where, limit) =>
      `${where}: stopped at ${limit} bytes of output, the most that podwire keeps of one command: print less, or into several files`,
  ],
]);

/** The text with messages about limits in podwire's words; any other text stays as it is. */
export function explainLimits(text: string): string {
  if (!text.includes('executionLimits.')) return text;
  return text.replace(LIMIT, (_all, said: string, name: string) => {
    const advice = ADVICE.get(name);
    const number = /\(>?(\d+)/.exec(said)?.[1];
    if (advice === undefined || number === undefined) return `bash: ${said}: a limit of podwire's shell`;
    const colon = said.indexOf(': ');
    return `bash: ${advice(colon < 0 ? 'a command' : said.slice(0, colon), number)}`;
  });
}
