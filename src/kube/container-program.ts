// What runs in a container: chosen by its command, or by its image when it names none, out of the programs that podwire has.
// An image or command that is not known runs nothing, as a pod of `pause`: it has its network and serves nobody.
//
//   nginx                                      nginx's default site, on the container's TCP ports or 80
//   agnhost, agnhost netexec --http-port=N     says /hostname, /clientip, /echo?msg=...
//   http-echo -text=T -listen=:N               answers T
//   python3 -m http.server N                   a directory without files
//   podwire/tcp-echo, podwire/udp-echo         send back, on the container's ports or 7

import { NO_FILES } from '../apps/files.ts';
import { HttpEcho } from '../apps/http/http-echo.ts';
import { Netexec } from '../apps/http/netexec.ts';
import { Nginx } from '../apps/http/nginx.ts';
import { PythonHttpServer } from '../apps/http/python-http-server.ts';
import type { Program, ProgramHost } from '../apps/program.ts';
import { TcpEcho } from '../apps/tcp-echo.ts';
import { UdpEcho } from '../apps/udp-echo.ts';
import type { ContainerSpec } from './cluster-spec.ts';

export type StartProgram = (host: ProgramHost) => Program;

const HTTP_PORT = 80;
/** What the image agnhost listens on (its netexec's default). */
const AGNHOST_PORT = 8080;
/** http-echo's default */
const HTTP_ECHO_PORT = 5678;
/** RFC 862 */
const ECHO_PORT = 7;
/** http.server's default */
const PYTHON_PORT = 8000;
const ECHO_BACKLOG = 128;
const PORT_MAX = 65_535;

/** `registry.k8s.io/e2e-test-images/agnhost:2.47@sha256:...` is `agnhost`; images of podwire keep their owner. */
function imageName(image: string): string {
  const path = image.replace(/@.*$/, '').replace(/:[^/]*$/, '');
  return path.startsWith('podwire/') ? path : path.slice(path.lastIndexOf('/') + 1);
}

/** The entry point of an image, as far as it is known here. */
const ENTRYPOINT: Readonly<Record<string, readonly string[]>> = {
  nginx: ['nginx'],
  'nginx-unprivileged': ['nginx'],
  agnhost: ['agnhost'],
  'http-echo': ['http-echo'],
  'podwire/tcp-echo': ['tcp-echo'],
  'podwire/udp-echo': ['udp-echo'],
};
/** What the image runs behind its entry point without args. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = { agnhost: ['netexec'] };

function portOf(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= PORT_MAX ? Number(text) : otherwise;
}

/** `--name=value` or `--name value`, with one dash or two. */
function option(args: readonly string[], name: string): string | undefined {
  const i = args.findIndex((word) => word.replace(/^--?/, '').split('=', 1)[0] === name);
  if (i < 0) return undefined;
  const word = args[i]!;
  return word.includes('=') ? word.slice(word.indexOf('=') + 1) : args[i + 1];
}

/** The programs of a container, in the order in which they start. */
export function containerPrograms(container: ContainerSpec, hostname: string): StartProgram[] {
  const image = imageName(container.image);
  const command = container.command.length > 0 ? container.command : (ENTRYPOINT[image] ?? []);
  const argv = [
    ...command,
    ...(container.args.length > 0 || container.command.length > 0 ? container.args : (ARGUMENTS[image] ?? [])),
  ];
  const [path = '', ...args] = argv;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ports = (protocol: 'TCP' | 'UDP', otherwise: number): number[] => {
    const own = container.ports.filter((p) => p.protocol === protocol).map((p) => p.port);
    return own.length > 0 ? own : [otherwise];
  };
  switch (name) {
    case 'nginx':
      return ports('TCP', image === 'nginx-unprivileged' ? 8080 : HTTP_PORT).map(
        (port) => (host) => new Nginx(host, { address: 0, port, root: '', files: NO_FILES, logs: true }),
      );
    case 'agnhost': {
      if (args[0] !== 'netexec') return [];
      const port = portOf(option(args, 'http-port'), AGNHOST_PORT);
      return [(host) => new Netexec(host, { address: 0, port, hostname })];
    }
    case 'http-echo': {
      const port = portOf(option(args, 'listen')?.replace(/^.*:/, ''), HTTP_ECHO_PORT);
      const text = option(args, 'text') ?? '';
      return [(host) => new HttpEcho(host, { address: 0, port, text })];
    }
    case 'python3':
    case 'python': {
      const [flag, module, portText] = args.filter((word) => word !== '-u');
      if (flag !== '-m' || module !== 'http.server') return [];
      const port = portOf(portText, PYTHON_PORT);
      return [(host) => new PythonHttpServer(host, { address: 0, port, directory: '', files: NO_FILES })];
    }
    case 'tcp-echo':
      return ports('TCP', ECHO_PORT).map(
        (port) => (host) => new TcpEcho(host, { address: 0, port, backlog: ECHO_BACKLOG }),
      );
    case 'udp-echo':
      return ports('UDP', ECHO_PORT).map((port) => (host) => new UdpEcho(host, port, 0));
    default:
      return [];
  }
}
