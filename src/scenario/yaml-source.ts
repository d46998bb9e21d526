// YAML text to a document whose nodes know their place: YAML 1.2 core schema, one document, behind limits that hold
// before anything is composed. The lexer and the concrete syntax tree are iterative, so depth and size are counted there
// and a hostile text never reaches the recursive composer.

import { Document, Lexer, Parser, parseAllDocuments } from 'yaml';
import { type Complaint, type Problem, SourceText } from './problem.ts';

/** What a YAML input may hold. Choices: a scenario written by a person is some kilobytes and a dozen levels deep. */
export const YAML_LIMITS = {
  /** bytes of UTF-8 */
  bytes: 4 * 1024 * 1024,
  /** levels of nesting */
  depth: 64,
  /** keys, values and punctuation marks */
  tokens: 400_000,
  /** aliases (*name) in the text */
  aliases: 100,
  /** values after aliases are followed */
  nodes: 200_000,
} as const;

export interface YamlSource {
  readonly source: SourceText;
  /** null when the text broke a limit: nothing was composed */
  readonly document: Document | null;
  /** all of them, where several were asked for */
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
  /** false: what the text means is in doubt from the first problem on, and nothing more can be said of its content */
  readonly sound: boolean;
}

/** Mistakes that leave the structure as it was meant. */
const HARMLESS: ReadonlySet<string> = new Set([
  'DUPLICATE_KEY',
  'TAB_AS_INDENT',
  'TAG_RESOLVE_FAILED',
  'BAD_DQ_ESCAPE',
  'BAD_SCALAR_START',
  'KEY_OVER_1024_CHARS',
]);

/** Parses one document, or as many as there are. */
export function parseYaml(text: string, file: string, many: 'one' | 'many' = 'one'): YamlSource {
  const source = new SourceText(file, text);
  const over = checkLimits(source, many);
  if (over.length > 0) return { source, document: null, documents: [], problems: over, sound: false };
  const documents = [
    ...parseAllDocuments(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      prettyErrors: false,
      logLevel: 'silent',
      strict: true,
      stringKeys: true,
      resolveKnownTags: false,
    }),
  ] as Document[];
  const document = documents[0] ?? new Document(null);
  const problems: Problem[] = [];
  if (documents.some((d) => d.directives?.yaml.version === '1.1')) {
    problems.push(
      source.at(0, { what: 'YAML 1.1 is not read here', expected: 'YAML 1.2', mend: 'remove the %YAML line' }),
    );
  }
  let sound = true;
  for (const error of documents.flatMap((d) => [...d.errors, ...d.warnings])) {
    const harmless = HARMLESS.has(error.code);
    // One broken line breaks everything behind it: the first such error is the one to mend.
    if (harmless || sound) {
      problems.push(hintPlaceholder(source.at(error.pos[0], explainYaml(error.code, foundAt(text, error)))));
    }
    sound &&= harmless;
  }
  return { source, document, documents, problems, sound };
}

/** `{run: ping ${pod-a.ip}}` ends its map at the placeholder's brace: by far the likeliest mistake on such a line. */
function hintPlaceholder(problem: Problem): Problem {
  return problem.source.includes('${') && problem.what.startsWith('unexpected')
    ? // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of scenarios
      { ...problem, mend: 'a text with ${...} inside { } or [ ] needs quotes' }
    : problem;
}

function checkLimits(source: SourceText, many: 'one' | 'many'): Problem[] {
  const { text } = source;
  const bytes = Buffer.byteLength(text);
  if (bytes > YAML_LIMITS.bytes) {
    return [source.at(0, { what: `the file has ${bytes} bytes`, expected: `at most ${YAML_LIMITS.bytes}` })];
  }
  const parser = new Parser();
  let tokens = 0;
  let aliases = 0;
  let content = false;
  for (const lexeme of new Lexer().lex(text)) {
    const offset = parser.offset;
    // The tokens that come out are of no interest here: the stack is.
    for (const _ of parser.next(lexeme));
    if (++tokens > YAML_LIMITS.tokens) {
      return [
        source.at(offset, { what: `more than ${YAML_LIMITS.tokens} tokens of YAML`, expected: 'a smaller file' }),
      ];
    }
    // The stack holds the document itself too.
    if (parser.stack.length > YAML_LIMITS.depth + 1) {
      return [
        source.at(offset, {
          what: `nested more than ${YAML_LIMITS.depth} levels deep`,
          expected: `at most ${YAML_LIMITS.depth}`,
        }),
      ];
    }
    if (lexeme.startsWith('*') && ++aliases > YAML_LIMITS.aliases) {
      return [
        source.at(offset, {
          what: `more than ${YAML_LIMITS.aliases} aliases`,
          expected: `at most ${YAML_LIMITS.aliases}`,
          mend: 'write the values out',
        }),
      ];
    }
    if (lexeme === '---' && content && many === 'one') {
      return [
        source.at(offset, {
          what: 'a second YAML document',
          expected: 'one document in a file',
          mend: 'put it into a file of its own',
        }),
      ];
    }
    // The lexer's own marks are control characters; a comment, a directive and a blank are no content.
    if (/^[!-~\u00a0-\ufefe]/.test(lexeme) && !/^[#%]/.test(lexeme) && lexeme !== '---') content = true;
  }
  return [];
}

/** What the error points at; for a key that stands twice the parser gives its first character only. */
function foundAt(text: string, error: { readonly code: string; readonly pos: readonly [number, number] }): string {
  const [from, to] = error.pos;
  if (error.code !== 'DUPLICATE_KEY') return text.slice(from, to);
  return /^(?:"[^"\n]*"|'[^'\n]*'|[^\s:,{}]+)/.exec(text.slice(from, from + 64))?.[0] ?? '';
}

/** Our words for what the parser found, by its code. */
function explainYaml(code: string, found: string): Complaint {
  const token = found.length > 0 && found.length <= 40 ? ` "${found.replace(/\s+/g, ' ')}"` : '';
  switch (code) {
    case 'DUPLICATE_KEY':
      return {
        what: `the key${token} stands twice in this map`,
        expected: 'each key once',
        mend: 'remove one of the two',
      };
    case 'TAB_AS_INDENT':
      return { what: 'a tab is used as indentation', expected: 'spaces', mend: 'replace it with two spaces' };
    case 'TAG_RESOLVE_FAILED':
      return { what: `the tag${token} is not known`, expected: 'plain YAML 1.2 values', mend: 'remove the tag' };
    case 'BAD_INDENT':
      return {
        what: 'the indentation does not fit what stands above',
        expected: 'the same indentation for all keys of a map, or a closing bracket',
      };
    case 'BAD_ALIAS':
      return { what: `the alias${token} is malformed`, expected: '*name of an &name above' };
    case 'BAD_SCALAR_START':
      return { what: `a plain value cannot begin with${token}`, expected: 'the value in quotes' };
    case 'BAD_DQ_ESCAPE':
      return {
        what: `unknown escape${token} in a double-quoted value`,
        expected: 'an escape of YAML',
        mend: 'single quotes keep backslashes as they are',
      };
    case 'MISSING_CHAR':
      return { what: 'something is missing here', expected: 'a closing quote or bracket, or a space behind a colon' };
    case 'BLOCK_AS_IMPLICIT_KEY':
      return {
        what: 'a second colon in one line',
        expected: 'one `key: value` to a line',
        mend: 'put a value that holds ": " in quotes',
      };
    case 'MULTILINE_IMPLICIT_KEY':
      return { what: 'a key runs over more than one line', expected: '`key: value`', mend: 'a colon may be missing' };
    case 'NON_STRING_KEY':
      return { what: 'this key is not a text', expected: 'a text as key', mend: 'put it in quotes' };
    case 'MULTIPLE_DOCS':
      return { what: 'a second YAML document', expected: 'one document in a file' };
    case 'UNEXPECTED_TOKEN':
      return { what: `unexpected${token === '' ? ' text' : token}`, expected: 'the map or list above to go on' };
    default:
      return { what: `not YAML 1.2 here (${code.toLowerCase().replaceAll('_', ' ')})`, expected: 'YAML 1.2' };
  }
}
