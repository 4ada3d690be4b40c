"""The peer of the serving bench: a FastAPI route that does nothing."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def answer() -> dict[str, str]:
    return {"status": "ok"}
