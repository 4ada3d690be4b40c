"""Simulated listeners, to be let in and sent home."""

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request

from nocturne.live.simulation import Simulator
from nocturne.web.context import TheAccess, TheSite
from nocturne.web.models import Simulation, SimulationOrder
from nocturne.web.problems import responses

router = APIRouter(tags=["simulation"])


@router.get("/simulation", responses=responses(429, 503))
async def read_simulation(site: TheSite) -> Simulation:
    return describe(site.simulator)


@router.put("/simulation", responses=responses(400, 401, 403, 404, 413, 415, 422, 429, 503))
async def set_simulation(
    request: Request, site: TheSite, access: TheAccess, order: SimulationOrder
) -> Simulation:
    """Let simulated listeners in, or send them home."""
    await access.require_operator(request)
    if order.running:
        await run_sync(site.simulator.start, order.listeners, order.rate)
    else:
        await run_sync(site.simulator.stop)
    return describe(site.simulator)


def describe(simulator: Simulator) -> Simulation:
    return Simulation(
        running=simulator.running,
        listeners=simulator.listeners,
        rate=simulator.rate,
        sent=simulator.sent,
    )
