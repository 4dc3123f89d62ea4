// A layered layout of a graph: layers by the longest way from a source, order by barycentres, places by least squares.

const SWEEPS = 8;

/** Return the edges that do not follow from others. */
export function reduced(ids, edges) {
  const after = new Map(ids.map((id) => [id, new Set()]));
  for (const { from, to } of edges) after.get(from)?.add(to);
  const order = layersOf(ids, edges);
  const byLayer = [...ids].sort((a, b) => order.get(b) - order.get(a));
  const reach = new Map();
  const needless = new Set();
  for (const id of byLayer) {
    const next = [...after.get(id)].sort((a, b) => order.get(a) - order.get(b));
    const found = new Set();
    for (const to of next) {
      if (found.has(to)) needless.add(`${id}\n${to}`);
      found.add(to);
      for (const far of reach.get(to) ?? []) found.add(far);
    }
    reach.set(id, found);
  }
  return edges.filter(({ from, to, any }) => any || !needless.has(`${from}\n${to}`));
}

/** Return each node's layer. Edges of unknown nodes, and those that would close a circle, are left aside. */
export function layersOf(ids, edges) {
  const layer = new Map(ids.map((id) => [id, 0]));
  const open = new Map(ids.map((id) => [id, 0]));
  const after = new Map(ids.map((id) => [id, []]));
  for (const { from, to } of edges) {
    if (!layer.has(from) || !layer.has(to)) continue;
    after.get(from).push(to);
    open.set(to, open.get(to) + 1);
  }
  const ready = ids.filter((id) => !open.get(id));
  for (let index = 0; index < ready.length; index += 1) {
    for (const to of after.get(ready[index])) {
      layer.set(to, Math.max(layer.get(to), layer.get(ready[index]) + 1));
      open.set(to, open.get(to) - 1);
      if (!open.get(to)) ready.push(to);
    }
  }
  return layer;
}

/**
 * Return {nodes: Map id -> {along, across}, lines: [{from, to, any, points}], length, breadth}.
 * `size` is {along, across} of a node, `gap` the space between layers and between neighbours.
 */
export function layout(ids, edges, size, gap) {
  const layer = layersOf(ids, edges);
  const layers = [];
  const put = (node, index) => { (layers[index] ??= []).push(node); };
  const real = new Map(ids.map((id) => [id, { id, before: [], after: [], across: 0, room: size.across + gap.across }]));
  for (const id of ids) put(real.get(id), layer.get(id));
  const lines = edges.filter(({ from, to }) => real.has(from) && layer.get(from) < (layer.get(to) ?? -1)).map((edge) => {
    const way = [real.get(edge.from)];
    for (let index = layer.get(edge.from) + 1; index < layer.get(edge.to); index += 1) {
      const bend = { id: null, before: [], after: [], across: 0, room: gap.across + 4 };
      put(bend, index);
      way.push(bend);
    }
    way.push(real.get(edge.to));
    for (let index = 1; index < way.length; index += 1) { way[index - 1].after.push(way[index]); way[index].before.push(way[index - 1]); }
    return { ...edge, way };
  });
  order(layers);
  place(layers);
  return drawn(layers, real, layer, lines, size, gap);
}

function order(layers) {
  layers.forEach((nodes) => nodes.forEach((node, index) => { node.rank = index; }));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const nodes of down ? layers.slice(1) : layers.slice(0, -1).reverse()) {
      const weigh = (node) => mean(down ? node.before : node.after, (other) => other.rank) ?? node.rank;
      nodes.forEach((node) => { node.weight = weigh(node); });
      nodes.sort((a, b) => a.weight - b.weight || a.rank - b.rank);
      nodes.forEach((node, index) => { node.rank = index; });
    }
  }
}

function place(layers) {
  for (const nodes of layers) settle(nodes, nodes.map((_, index) => index * nodes[0].room));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const nodes of down ? layers.slice(1) : layers.slice(0, -1).reverse()) {
      settle(nodes, nodes.map((node) => mean(down ? node.before : node.after, (other) => other.across) ?? node.across));
    }
  }
}

/** Bring nodes as near to where they are wanted as their order and room allow (pool adjacent violators). */
function settle(nodes, wanted) {
  const offsets = [0];
  for (let index = 1; index < nodes.length; index += 1) offsets.push(offsets[index - 1] + (nodes[index - 1].room + nodes[index].room) / 2);
  const pools = [];
  wanted.forEach((value, index) => {
    pools.push({ sum: value - offsets[index], count: 1 });
    while (pools.length > 1) {
      const last = pools[pools.length - 1], before = pools[pools.length - 2];
      if (before.sum / before.count <= last.sum / last.count) break;
      pools.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count });
    }
  });
  let index = 0;
  for (const { sum, count } of pools) for (let left = count; left; left -= 1, index += 1) nodes[index].across = sum / count + offsets[index];
}

function drawn(layers, real, layer, lines, size, gap) {
  const all = layers.flat();
  const least = Math.min(...all.map((node) => node.across - (node.id === null ? 0 : size.across / 2)));
  const most = Math.max(...all.map((node) => node.across + (node.id === null ? 0 : size.across / 2)));
  const step = size.along + gap.along;
  const nodes = new Map([...real].map(([id, node]) => [id, { along: layer.get(id) * step, across: node.across - least - size.across / 2 }]));
  const paths = lines.map(({ way, ...edge }) => {
    const first = layer.get(edge.from);
    const points = way.map((node, index) => [
      (first + index) * step + (index === 0 ? size.along : index === way.length - 1 ? 0 : size.along / 2), node.across - least,
    ]);
    return { ...edge, points };
  });
  return { nodes, lines: paths, length: layers.length * step - gap.along, breadth: most - least, layers: layers.length };
}

const mean = (nodes, value) => (nodes.length ? nodes.reduce((sum, node) => sum + value(node), 0) / nodes.length : null);
