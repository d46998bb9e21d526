// Proves that a Pod as Kubernetes types it is a pod of a scenario, with everything that podwire has no use for.

import type { Pod } from 'kubernetes-types/core/v1.js';
import { expect, it } from 'vitest';
import { podManifest } from '../../src/scenario/schema.ts';

it('takes a Pod of the Kubernetes API, and keeps what it does not read', () => {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'web-0',
      namespace: 'shop',
      labels: { app: 'web' },
      annotations: { 'example.org/note': 'x' },
      generateName: 'web-',
    },
    spec: {
      nodeName: 'node-1',
      hostNetwork: false,
      dnsPolicy: 'ClusterFirst',
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }],
      initContainers: [{ name: 'init', image: 'busybox' }],
      containers: [
        {
          name: 'main',
          image: 'nginx',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          resources: { limits: { cpu: '1' } },
          readinessProbe: { httpGet: { path: '/', port: 80 } },
        },
      ],
    },
    status: { phase: 'Running', podIP: '10.244.1.2' },
  };
  const read = podManifest.parse(JSON.parse(JSON.stringify(pod)));
  expect(read).toEqual(pod);
});
