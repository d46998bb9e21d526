// -m comment (extensions/libxt_comment.c): matches everything.

import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType } from '../match.ts';
import { quoteText } from '../quoted-text.ts';

/** XT_MAX_COMMENT_LEN with the zero at the end */
const LENGTH_MAX = 256;

export class CommentMatch implements Match {
  readonly name = 'comment';
  readonly pure = true;
  text = '';

  parse(option: OptionValue): void {
    if (Buffer.byteLength(option.value) >= LENGTH_MAX) {
      throw new RuleError(`comment: Argument must have a minimum length of 0 and a maximum length of 255 characters\n`);
    }
    this.text = option.value;
  }

  finish(): void {}

  save(): string {
    return ` --comment ${quoteText(this.text)}`;
  }

  list(): string {
    return ` /* ${this.text} */`;
  }

  compile(): null {
    return null;
  }
}

export const commentMatch: MatchType = {
  name: 'comment',
  options: [{ name: 'comment', argument: 'required', mandatory: true }],
  create: () => new CommentMatch(),
};
