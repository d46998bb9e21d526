// The flow of the benchmark in podwire's own world: a cluster of two nodes with flannel's VXLAN, made as a scenario makes
// it, a UDP socket in each pod, and a capture of every interface where the case asks for one.

import {
  arena,
  buildCluster,
  CallbackSink,
  type ClusterSpec,
  type NetDevice,
  NS_PER_S,
  parseIpv4,
  Recorder,
  UdpSocket,
  World,
} from '../../src/index.ts';
import { CaptureTo, type FlowResult, type FlowSettings } from './hand-written.ts';

export interface PodwireFlow {
  /** True when the nodes of this world are joined by a switch: then the hand-written side gets one too. */
  readonly throughSwitch: boolean;
  /** Sends as many datagrams from pod A to pod B, one every virtual microsecond, and returns when all have arrived. */
  run(packets: number): FlowResult;
  close(): void;
}

const PORT = 9000;
const SEND_INTERVAL = 1_000;
/** 2026-01-01T00:00:00Z, as the hand-written side has it */
const EPOCH_S = 1_767_225_600;

function spec(acrossNodes: boolean): ClusterSpec {
  const address = (text: string): number => parseIpv4(text)!;
  const pod = (name: string, nodeName: string) => ({
    ...{ name, namespace: 'default', nodeName, hostNetwork: false, containers: ['main'], labels: {} },
  });
  return {
    podCIDR: { address: address('10.244.0.0'), length: 16 },
    nodeCIDRMaskSize: 24,
    nodes: ['10.0.1.1', '10.0.1.2'].map((a, i) => ({
      ...{ name: `node-${i + 1}`, address: address(a), prefixLength: 24, podCIDR: null, mac: null, mtu: 1500 },
    })),
    network: { backend: 'vxlan', vni: 1, port: 8472, directRouting: false, mtu: null },
    pods: [pod('pod-a', 'node-1'), pod('pod-b', acrossNodes ? 'node-2' : 'node-1')],
  };
}

/** A world with this flow in it. */
export function openPodwireFlow(settings: FlowSettings): PodwireFlow {
  const world = new World(1);
  const devices: NetDevice[] = [];
  const cluster = buildCluster(world, spec(settings.acrossNodes), { onDevice: (dev) => devices.push(dev) });
  const from = cluster.pod('pod-a')!;
  const to = cluster.pod('pod-b')!;
  const sender = new UdpSocket(from.netns);
  const receiver = new UdpSocket(to.netns);
  receiver.bind(0, PORT);
  sender.connect(to.ip!, PORT);

  let left = 0;
  let sent = 0;
  let delivered = 0;
  receiver.onDatagram = (at) => {
    if (arena.getUint32(at, true) !== delivered) throw new Error('podwire: out of order');
    delivered++;
  };
  const payload = Uint8Array.from({ length: settings.payload }, (_, i) => (i * 7 + 3) & 0xff);
  const number = new DataView(payload.buffer);
  const timer = world.sim.timer(() => {
    number.setUint32(0, sent++, true);
    const errno = sender.send(payload);
    if (errno !== null) throw new Error(`podwire: ${errno}`);
    if (--left > 0) timer.arm(SEND_INTERVAL);
  });

  const flow: PodwireFlow = {
    throughSwitch: true,
    run(packets) {
      left = packets;
      sent = 0;
      delivered = 0;
      let captureBytes = 0;
      const recorder =
        settings.capture === CaptureTo.NOWHERE
          ? null
          : new Recorder({
              host: world,
              output:
                settings.capture === CaptureTo.FILE
                  ? { kind: 'file', path: settings.path }
                  : { kind: 'sink', sink: new CallbackSink((piece) => (captureBytes += piece.length)) },
              ...{ format: 'pcapng', comments: [], epochSeconds: EPOCH_S, snapLength: 0, sizeLimit: 0, interfaces: [] },
              ...{ overwrite: true, overwriteFlag: '--force' },
            });
      if (recorder !== null) {
        for (const dev of devices) recorder.attach(dev);
        world.observer.add(recorder);
      }
      timer.arm(SEND_INTERVAL);
      world.sim.runUntil(world.sim.now + packets * SEND_INTERVAL + NS_PER_S);
      let crossings = settings.acrossNodes ? 12 : 4;
      if (recorder !== null) {
        const summary = recorder.close();
        world.observer.remove(recorder);
        if (summary.problem !== null) throw new Error(`podwire: ${summary.problem}`);
        crossings = Math.round(summary.recorded / packets);
      }
      return { delivered, crossings, captureBytes };
    },
    close() {
      world.dispose();
    },
  };
  // Ports come up, neighbours resolve and bridges learn before anything is measured.
  world.sim.runUntil(NS_PER_S);
  const first = flow.run(1);
  if (first.delivered !== 1) throw new Error('podwire: the first datagram did not arrive');
  return flow;
}
