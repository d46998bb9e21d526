// Arguments of system calls in packetdrill scripts: numbers, names joined by |, strings, ..., lists and structs.

import type { Scanner } from './scanner.ts';
import type { Expression, Field } from './syntax.ts';

/** @throws SyntaxFault */
export function parseExpression(s: Scanner): Expression {
  const first = parseTerm(s);
  if (!s.sees(/\|/y)) return first;
  const parts = [first];
  while (s.take(/\|/y) !== null) parts.push(parseTerm(s));
  return { kind: 'or', parts };
}

function parseTerm(s: Scanner): Expression {
  if (s.take(/\.\.\./y) !== null) return { kind: 'ellipsis' };
  const number = s.take(/-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?)/y);
  if (number !== null) {
    const text = number[0];
    return { kind: 'number', value: text.startsWith('-') ? -Number(text.slice(1)) : Number(text) };
  }
  const string = s.take(/"((?:[^"\\]|\\.)*)"/y);
  if (string !== null) return { kind: 'string', value: string[1]! };
  if (s.take(/\[/y) !== null) {
    const items: Expression[] = [];
    while (s.take(/\]/y) === null) {
      items.push(parseExpression(s));
      if (!s.sees(/\]/y)) s.need(/,/y, ', or ]');
    }
    return { kind: 'list', items };
  }
  if (s.take(/\{/y) !== null) {
    const fields: Field[] = [];
    while (s.take(/\}/y) === null) {
      fields.push(parseField(s));
      if (!s.sees(/\}/y)) s.need(/,/y, ', or }');
    }
    return { kind: 'struct', fields };
  }
  const name = s.need(/[A-Za-z_][A-Za-z0-9_]*/y, 'an argument')[0];
  if (s.take(/\(/y) === null) return { kind: 'name', name };
  const args: Expression[] = [];
  while (s.take(/\)/y) === null) {
    args.push(parseExpression(s));
    if (!s.sees(/\)/y)) s.need(/,/y, ', or )');
  }
  return { kind: 'call', name, args };
}

function parseField(s: Scanner): Field {
  const named = s.take(/([a-z_][a-z0-9_]*)\s*(?:(=)|(?=\())/y);
  if (named === null) return { name: null, length: null, value: parseExpression(s) };
  if (named[2] !== undefined) return { name: named[1]!, length: null, value: parseExpression(s) };
  s.need(/\(/y, '(');
  const length = parseExpression(s);
  s.need(/\)/y, ')');
  s.need(/=/y, '=');
  return { name: named[1]!, length, value: parseExpression(s) };
}
