# One image for builds, the service, live profiles and delivery. docs/schedule.md says how to run it.
FROM python:3.13.9-slim-bookworm AS install
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/srv/segmentation/.venv
WORKDIR /srv/segmentation
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock README.md LICENSE ./
# Without the project, so that a change of its code leaves this layer as it was.
RUN uv sync --frozen --no-dev --extra serve --extra live --no-install-project
COPY src src
RUN uv sync --frozen --no-dev --extra serve --extra live --no-editable

FROM python:3.13.9-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin segmentation \
    && install -d -o 10001 -g 10001 /var/lib/segmentation /var/lib/segmentation/audit /var/tmp/segmentation
WORKDIR /srv/segmentation
COPY --from=install /srv/segmentation/.venv .venv
COPY src src
COPY dbt_project.yml profiles.yml selectors.yml ./
COPY models models
COPY macros macros
COPY seeds seeds
COPY tests tests
COPY datasets datasets
COPY --chmod=755 examples/container/build /usr/local/bin/build
# What is written goes to the volume: working, published and dbt's own files.
ENV PATH=/srv/segmentation/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DBT_PROFILES_DIR=/srv/segmentation \
    SEGMENTATION_HOME=/var/lib/segmentation \
    DBT_TARGET_PATH=/var/lib/segmentation/target \
    DBT_LOG_PATH=/var/lib/segmentation/logs
USER 10001:10001
EXPOSE 8000
CMD ["customer-segmentation", "serve", "--host", "0.0.0.0", "--published", "/var/lib/segmentation/published/segments.duckdb"]
