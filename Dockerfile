# Our own processes (gateway, workers, relay, migrations): one image, the command chooses.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/opt/xuelian
WORKDIR /opt/xuelian

COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes \
    --requirement requirements/runtime.txt

# The sources run as they are: building a wheel would fetch a build backend without a hash.
COPY checker checker
COPY cli cli
COPY deploy deploy
COPY gateway gateway
COPY models models
COPY streams streams
RUN printf '#!/bin/sh\nexec python -c "import sys; sys.argv[0] = \047xuelian\047; from cli.main import main; sys.exit(main())" "$@"\n' \
    > /usr/local/bin/xuelian \
    && chmod 755 /usr/local/bin/xuelian \
    && useradd --system --uid 10001 --no-create-home xuelian

USER xuelian
CMD ["xuelian", "--help"]
