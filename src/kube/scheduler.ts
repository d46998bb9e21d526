// Which node a pod without spec.nodeName gets. kube-scheduler scores nodes and draws among the best; with equal nodes and
// no requests what remains is to spread, so here: the node with the fewest pods, the one that joined first among equals.

/** Index of the chosen node, -1 when there is none. */
export function scheduleNode(podsPerNode: readonly number[]): number {
  let best = -1;
  for (let i = 0; i < podsPerNode.length; i++) {
    if (best < 0 || podsPerNode[i]! < podsPerNode[best]!) best = i;
  }
  return best;
}
