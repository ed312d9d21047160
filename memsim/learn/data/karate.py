"""The karate club that fell apart: 34 members, who knew whom, and whom each followed."""

from __future__ import annotations

import torch

from memsim.learn.data.planetoid import Graph

KARATE_CLUB = "karate-club"
LEADERS = (0, 33)
"""The instructor and the president, whose sides alone are told."""


def karate_club() -> Graph:
    """W. W. Zachary, Journal of Anthropological Research 33:452 (1977); members have no features but who they are."""
    from networkx import karate_club_graph

    club = karate_club_graph()
    followed = torch.tensor([int(side != "Mr. Hi") for _, side in club.nodes(data="club")])
    others = torch.tensor([member for member in club if member not in LEADERS])
    edges, none = torch.tensor(list(club.edges())), torch.empty(0, dtype=torch.int64)
    return Graph(torch.eye(len(club)), edges, followed, torch.tensor(LEADERS), none, others)
