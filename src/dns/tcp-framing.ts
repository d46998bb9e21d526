// Messages in a TCP stream, each behind its length of two bytes (RFC 1035 section 4.2.2, RFC 7766): taken out whole however
// the stream was cut into segments.

import { DNS_HEADER, DNS_TCP_PREFIX } from '../wire/dns.ts';

/** What a stream has given: messages in order, and behind them the reason to close it, if there is one. */
export type Framed =
  | { readonly messages: readonly Uint8Array[] }
  | { readonly messages: readonly Uint8Array[]; readonly error: string };

export class TcpFraming {
  #buffer: Uint8Array = new Uint8Array(0);

  /** Bytes that wait for the rest of their message; at most one message and its length. */
  get waiting(): number {
    return this.#buffer.length;
  }

  /** Takes what the stream gave. A length that no header fits into ends the stream: nothing behind it can be trusted. */
  push(bytes: Uint8Array): Framed {
    const all = new Uint8Array(this.#buffer.length + bytes.length);
    all.set(this.#buffer);
    all.set(bytes, this.#buffer.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (all.length - at >= DNS_TCP_PREFIX) {
      const length = (all[at]! << 8) | all[at + 1]!;
      if (length < DNS_HEADER) return { messages, error: `a message of ${length} bytes` };
      if (all.length - at - DNS_TCP_PREFIX < length) break;
      messages.push(all.slice(at + DNS_TCP_PREFIX, at + DNS_TCP_PREFIX + length));
      at += DNS_TCP_PREFIX + length;
    }
    this.#buffer = all.slice(at);
    return { messages };
  }
}
