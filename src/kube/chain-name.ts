// Names of kube-proxy's chains (pkg/proxy/iptables/proxier.go portProtoHash, servicePortEndpointChainName): iptables takes 28
// characters, so a chain is called by a hash of what it is for.

import { base32, sha256 } from '../base/sha256.ts';

/** Characters of the hash that are kept. */
const HASH_LENGTH = 16;

export const KUBE_SERVICES = 'KUBE-SERVICES';
export const KUBE_EXTERNAL_SERVICES = 'KUBE-EXTERNAL-SERVICES';
export const KUBE_NODEPORTS = 'KUBE-NODEPORTS';
export const KUBE_POSTROUTING = 'KUBE-POSTROUTING';
export const KUBE_MARK_MASQ = 'KUBE-MARK-MASQ';
export const KUBE_FORWARD = 'KUBE-FORWARD';
export const KUBE_PROXY_FIREWALL = 'KUBE-PROXY-FIREWALL';
export const KUBE_PROXY_CANARY = 'KUBE-PROXY-CANARY';
export const KUBE_FIREWALL = 'KUBE-FIREWALL';

const SVC = 'KUBE-SVC-';
const SVL = 'KUBE-SVL-';
const EXT = 'KUBE-EXT-';
const FW = 'KUBE-FW-';
const SEP = 'KUBE-SEP-';

/** `ns/svc:port`, or `ns/svc` when the port has no name (pkg/proxy/types.go). */
export function servicePortName(s: { readonly namespace: string; readonly name: string }, port: string): string {
  return port === '' ? `${s.namespace}/${s.name}` : `${s.namespace}/${s.name}:${port}`;
}

function hash(text: string): string {
  return base32(sha256(text)).slice(0, HASH_LENGTH);
}

export interface ServiceChains {
  /** endpoints of the policy Cluster */
  readonly svc: string;
  /** endpoints of the policy Local */
  readonly svl: string;
  /** where traffic from outside enters */
  readonly ext: string;
  /** loadBalancerSourceRanges */
  readonly fw: string;
}

/** @param protocol lower case */
export function serviceChains(portName: string, protocol: string): ServiceChains {
  const h = hash(portName + protocol);
  return { svc: SVC + h, svl: SVL + h, ext: EXT + h, fw: FW + h };
}

/** @param endpoint `ip:port` */
export function endpointChain(portName: string, protocol: string, endpoint: string): string {
  return SEP + hash(portName + protocol + endpoint);
}

/** Chains that kube-proxy made and may delete (isServiceChainName). */
export function isServiceChain(name: string): boolean {
  return [SVC, SVL, EXT, FW, SEP, 'KUBE-XLB-'].some((prefix) => name.startsWith(prefix));
}
