"""`RerankRequest` and `RerankResponse` as models of a FastAPI route.

Run it with ``fastapi dev examples/fastapi_app.py``.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

import rerank_unify as ru


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open one client for all requests."""
    async with ru.AsyncClient("local") as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/rerank", response_model_exclude_none=True)
async def rerank(request: ru.RerankRequest) -> ru.RerankResponse:
    """Rerank documents by relevance to a query."""
    client: ru.AsyncClient = app.state.client
    try:
        return await client.rerank(request)
    except ru.RerankError as error:
        raise HTTPException(502, error.message) from None
