"""A signal that spreads over a graph, and what sensors at its nodes say of it.

Nodes are places in a square of side 1, and those nearer than a radius are neighbours. In each trial some nodes are
sources, each on from one random step to another:

    u[t+1] = (1 - loss) S u[t] + s[t],    p[t] = min(S^hops u[t] + background, 1),    S as in memsim.networks.graphs

A sensor has an event in step t with probability p[t] of its node. What is to be predicted is u one step after the last
that sensors see, at all nodes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.diffusion_table import DiffusionTable
from memsim.learn.data.graph_table import GraphTable
from memsim.memory import check_memory
from memsim.networks.graphs import normalised

GRAPH_DIFFUSION = "graph-diffusion"


def graph_diffusion(
    steps: int, table: DiffusionTable | None = None, graph: GraphTable | None = None
) -> Dataset:
    """Trials of so many steps, the same at each call.

    Args:
        steps: that sensors see.
        table: what graph and signal are.
        graph: what sensors hear of neighbours of their node; nothing where left out.

    Raises:
        InputError: more than the memory holds.
    """
    table, graph = table or DiffusionTable(), graph or GraphTable(hops=0)
    generator = torch.Generator().manual_seed(table.seed)
    _, edges = random_geometric(table, generator)
    along = torch.from_numpy(normalised(edges, table.nodes).toarray())
    hops = torch.linalg.matrix_power(along, graph.hops)

    def trials(count: int) -> Split:
        _check(count, steps, table)
        u = signal(_sources(count, steps, table, generator), along, table.loss)
        rates = (u[:, :-1] @ hops + graph.background).clamp(max=1).float().repeat_interleave(table.lines, 2)
        return Split(torch.bernoulli(rates, generator=generator).to(torch.uint8), u[:, -1].float())

    train, test = map(trials, (table.train, table.test))
    return Dataset(GRAPH_DIFFUSION, table.nodes, (table.nodes * table.lines,), train, test)


def random_geometric(table: DiffusionTable, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Places [nodes, 2] of nodes, and edges [edges, 2] between neighbours, each once."""
    places = torch.rand(table.nodes, 2, generator=generator)
    return places, torch.nonzero((torch.cdist(places, places) < table.radius).triu(1))


def signal(sources: Tensor, along: Tensor, loss: float) -> Tensor:
    """u [trials, steps + 1, nodes], float64, of sources s [trials, steps, nodes]; none at the start."""
    u = [torch.zeros_like(sources[:, 0])]
    for now in sources.unbind(1):
        u.append((1 - loss) * u[-1] @ along + now)
    return torch.stack(u, 1)


def _check(count: int, steps: int, table: DiffusionTable) -> None:
    # signal, what is heard of it, and sources are float64, probabilities and draws float32
    check_memory(
        f"{count} trials of {steps} steps at {table.nodes} nodes",
        8 * count * steps * table.nodes * (3 + table.lines),
        "take fewer trials",
    )


def _sources(count: int, steps: int, table: DiffusionTable, generator: torch.Generator) -> Tensor:
    """What nodes give off, [trials, steps, nodes], float64."""
    nodes = torch.rand(count, table.nodes, generator=generator).argsort(1)[:, : table.sources]
    ends = torch.randint(steps + 1, (2, count, 1, table.sources), generator=generator)
    now = torch.arange(steps)[:, None]
    on = (now >= ends.amin(0)) & (now < ends.amax(0))
    given = torch.zeros(count, steps, table.nodes, dtype=torch.float64)
    return given.scatter_(2, nodes[:, None].expand_as(on), table.strength * on.double())
