// Proves that every drop reason has a name and a sentence of its own, and that 0 means "not dropped".

import { expect, it } from 'vitest';
import {
  DROP_REASON_COUNT,
  DropReason,
  dropReasonName,
  dropReasons,
  dropReasonText,
} from '../../src/base/drop-reason.ts';

it('numbers, names and sentences belong together', () => {
  const all = dropReasons();
  expect(all.length).toBe(DROP_REASON_COUNT);
  expect(new Set(all.map((r) => r.name)).size).toBe(all.length);
  expect(new Set(all.map((r) => r.text)).size).toBe(all.length);
  for (const [i, { name, text }] of all.entries()) {
    expect(DropReason[name]).toBe(i);
    expect(dropReasonName(i)).toBe(name);
    expect(dropReasonText(i)).toBe(text);
    expect(name).toMatch(/^[A-Z][A-Z0-9_]+$/);
  }
  expect(DropReason.NOT_DROPPED).toBe(0);
});

it('a number outside the table is named as such, not passed over', () => {
  expect(dropReasonText(DROP_REASON_COUNT)).toContain(String(DROP_REASON_COUNT));
});
