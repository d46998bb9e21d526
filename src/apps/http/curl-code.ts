// Exit statuses of curl(1), and what it says when a response is cut off or is none.

import { ERRNO_TEXT, type Errno } from '../../stack/errno.ts';
import type { HttpExchange } from './http-exchange.ts';

export const CurlCode = {
  OK: 0,
  UNSUPPORTED_PROTOCOL: 1,
  URL_MALFORMAT: 3,
  COULDNT_RESOLVE_HOST: 6,
  COULDNT_CONNECT: 7,
  WEIRD_SERVER_REPLY: 8,
  PARTIAL_FILE: 18,
  HTTP_RETURNED_ERROR: 22,
  OPERATION_TIMEDOUT: 28,
  INTERFACE_FAILED: 45,
  TOO_MANY_REDIRECTS: 47,
  GOT_NOTHING: 52,
  RECV_ERROR: 56,
} as const;

export interface CurlFailure {
  readonly code: number;
  readonly text: string;
}

/** The stream ended or failed before the response was complete. */
export function cutFailure(exchange: HttpExchange, errno: Errno | null): CurlFailure {
  if (errno !== null) return { code: CurlCode.RECV_ERROR, text: `Recv failure: ${ERRNO_TEXT[errno]}` };
  if (exchange.received === 0) return { code: CurlCode.GOT_NOTHING, text: 'Empty reply from server' };
  const { bodyLength, bodyReceived } = exchange;
  const left =
    bodyLength.kind === 'length'
      ? `${bodyLength.bytes - bodyReceived} bytes remaining to read`
      : 'outstanding read data remaining';
  return { code: CurlCode.PARTIAL_FILE, text: `transfer closed with ${left}` };
}

export function malformedFailure(reason: string, notHttp: boolean): CurlFailure {
  if (notHttp) return { code: CurlCode.UNSUPPORTED_PROTOCOL, text: 'Received HTTP/0.9 when not allowed' };
  if (reason === 'bad Content-Length') {
    return { code: CurlCode.WEIRD_SERVER_REPLY, text: 'Invalid Content-Length: value' };
  }
  if (reason.includes('chunk')) {
    return { code: CurlCode.RECV_ERROR, text: 'Illegal or missing hexadecimal sequence in chunked-encoding' };
  }
  return { code: CurlCode.WEIRD_SERVER_REPLY, text: 'Weird server reply' };
}
