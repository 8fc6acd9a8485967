"""How soon an engine that costs nothing could have done some conversations: the bound of both waits together.

A conversation is a chain: a call, its verdict, the next call. A call waits for one of so many slots at the provider,
its verdict for one of so many workers of the evaluator; who is in an earlier turn goes first, then who came first.
"""

import heapq
from collections.abc import Sequence


def makespan(chains: Sequence[Sequence[float]], slots: int, workers: int, verdict_s: float) -> float:
    """Seconds until the last verdict, of chains of calls that take so many seconds each."""
    asking = [(0, number) for number in range(len(chains))]  # (turn, conversation)
    judging: list[tuple[int, float, int]] = []  # (turn, since when, conversation)
    events: list[tuple[float, bool, int, int]] = []  # (when, a verdict?, turn, conversation)
    now, free_slots, free_workers = 0.0, slots, workers
    heapq.heapify(asking)
    while asking or judging or events:
        while free_slots and asking:
            turn, number = heapq.heappop(asking)
            heapq.heappush(events, (now + chains[number][turn], False, turn, number))
            free_slots -= 1
        while free_workers and judging:
            turn, _, number = heapq.heappop(judging)
            heapq.heappush(events, (now + verdict_s, True, turn, number))
            free_workers -= 1
        now, judged, turn, number = heapq.heappop(events)
        if not judged:
            free_slots += 1
            heapq.heappush(judging, (turn, now, number))
            continue
        free_workers += 1
        if turn + 1 < len(chains[number]):
            heapq.heappush(asking, (turn + 1, number))
    return now
