// Placeholders in the texts of a scenario: ${pod-b.ip}, ${node-1.podCIDR}. The dot sets them apart from variables of the
// shell, whose names hold none. Names are checked when the file is read; values are known once the cluster stands.

/** What may be asked of a pod: `ip`, `mac` of its eth0, `node`, and `veth`, the name of its other end on the node. */
export const POD_FIELDS = ['ip', 'mac', 'node', 'veth', 'namespace'] as const;
/** What may be asked of a node: `ip` and `mac` of eth0, its pod CIDR, the address of cni0, the MAC of flannel.N. */
export const NODE_FIELDS = ['ip', 'mac', 'podCIDR', 'gateway', 'vtepMac'] as const;

/** A Service is asked for with this before its name: ${svc/web.ip}, ${svc/kube-system/kube-dns.port}. */
export const SERVICE_PREFIX = 'svc/';
/** What may be asked of a Service: its cluster address, its first port, that one's node port. */
export const SERVICE_FIELDS = ['ip', 'port', 'nodePort'] as const;

/** What may be asked of a machine outside the cluster. */
export const HOST_FIELDS = ['ip', 'mac'] as const;

const PLACEHOLDER = /\$\{([^{}.\s]{1,130})\.([^{}.\s]{1,40})\}/g;

export interface Placeholder {
  /** as written, with the braces */
  readonly text: string;
  /** a pod, namespace/pod, or a node */
  readonly subject: string;
  readonly field: string;
}

/** All placeholders of a text, in order. */
export function placeholders(text: string): Placeholder[] {
  return [...text.matchAll(PLACEHOLDER)].map((m) => ({ text: m[0], subject: m[1]!, field: m[2]! }));
}

/** The text with every placeholder replaced; `value` gives null for one that it does not know, which then stays. */
export function substitute(text: string, value: (subject: string, field: string) => string | null): string {
  return text.replace(PLACEHOLDER, (whole, subject: string, field: string) => value(subject, field) ?? whole);
}

/** Every text inside a value, replaced likewise; the value itself is not changed. */
export function substituteDeep<T>(value: T, resolve: (subject: string, field: string) => string | null): T {
  if (typeof value === 'string') return substitute(value, resolve) as T;
  if (Array.isArray(value)) return value.map((v) => substituteDeep(v, resolve)) as T;
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, substituteDeep(v, resolve)])) as T;
  }
  return value;
}
