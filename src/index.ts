// The public API: what the command line can do, a program can.
//
//   const world = new World(1);
//   const cluster = buildCluster(world, spec, { onDevice: (dev) => recorder.attach(dev) });
//   world.sim.runUntil(10 * NS_PER_S);
//
// Addresses are signed 32-bit integers and MACs numbers below 2^48 inside; parse... and format... stand at the edge.

export {
  compareIpv4,
  formatIpv4,
  formatIpv4Prefix,
  type Ipv4,
  type Ipv4Prefix,
  parseIpv4,
  parseIpv4Prefix,
} from './addr/ipv4.ts';
export { formatMac, type Mac, parseMac } from './addr/mac.ts';
export type { ProgramHost } from './apps/program.ts';
export { GAI_TEXT, GaiError, resolveHost } from './apps/resolve.ts';
export { InternalError } from './base/assert.ts';
export { DropReason, type DropReasonName, dropReasonName, dropReasons, dropReasonText } from './base/drop-reason.ts';
export { VERSION } from './base/version.ts';
export type { CapturedPacket, CaptureError, CaptureInterface } from './capture/captured-packet.ts';
export { CaptureOpenError, type CaptureReader, openCapture } from './capture/reader.ts';
export { type CaptureOutput, type CaptureSummary, Recorder, type RecorderOptions } from './capture/recorder.ts';
export { CallbackSink, CaptureOutputError, type CaptureSink, MemorySink } from './capture/sink.ts';
export { type BuildOptions, buildCluster, Cluster, type ClusterNode, type Pod } from './kube/cluster.ts';
export type { ClusterDnsSpec } from './kube/cluster-dns.ts';
export type { ClusterSpec, FlannelSpec, NodeSpec, PodSpec, ServiceNetworkSpec } from './kube/cluster-spec.ts';
export type { Endpoint, EndpointSlice } from './kube/endpoint-slice.ts';
export { KUBE_PROXY_DEFAULTS, type KubeProxySpec } from './kube/kube-proxy-spec.ts';
export { deletePod, setPodReady } from './kube/pod-lifecycle.ts';
export { type Service, type ServicePortSpec, type ServiceSpec, servicePort, serviceSpec } from './kube/service.ts';
export { Services } from './kube/services.ts';
export { Bridge } from './link/bridge.ts';
export { Cable } from './link/cable.ts';
export { NetDevice, type Observer } from './link/device.ts';
export { type Frame, frameBytes, view as arena } from './link/frame.ts';
export { createVethPair } from './link/veth.ts';
export { createVxlan, type Vxlan } from './overlay/vxlan.ts';
export {
  captureOutput,
  formatProblem,
  InputError,
  type Judgement,
  jsonReport,
  junitReport,
  type LoadOptions,
  type LoadResult,
  loadScenario,
  type Problem,
  type RunOptions,
  type RunResult,
  runScenario,
  type Scenario,
  ScenarioRun,
  type Step,
  type StepResult,
  scenarioJsonSchema,
} from './scenario/index.ts';
export { NS_PER_MS, NS_PER_S, NS_PER_US, type Ns, RunOutcome, type Sim } from './sim/sim.ts';
export { Machine } from './stack/machine.ts';
export type { NetNamespace } from './stack/netns.ts';
export type { TcpInfo } from './stack/tcp/tcp-info.ts';
export { MsgFlag, TcpSocket } from './stack/tcp/tcp-socket.ts';
export { type Datagram, UdpSocket } from './stack/udp-socket.ts';
export { World } from './stack/world.ts';
export { type Dissection, dissectFrame } from './wire/dissect.ts';
export { DnsClass, DnsFlag, DnsRcode, DnsType } from './wire/dns.ts';
export {
  type DnsFault,
  type DnsMessage,
  type DnsQuestion,
  dnsQuery,
  isDnsFault,
  parseDnsBytes,
  writeDns,
} from './wire/dns-message.ts';
export type { DnsData, DnsRecord } from './wire/dns-record.ts';
