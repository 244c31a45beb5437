"""Repositories that people wrote without any template, in the shapes that are common."""

FLASK = {
    "README.md": "# Ticket Office\n\nSells tickets for small theatres. It has done so since 2019.\n",
    "requirements.txt": (
        "flask==3.1.0\nflask-sqlalchemy>=3.1\npsycopg2-binary==2.9.10  # the driver\n-r more.txt\ngunicorn\n"
    ),
    "requirements-dev.txt": "pytest\nredis\n",
    "app/__init__.py": "from flask import Flask\n\ndef create_app():\n    return Flask(__name__)\n",
    "app/templates/index.html": "<h1>Tickets</h1>\n",
    "wsgi.py": "from app import create_app\n\napp = create_app()\n",
    "Dockerfile": (
        "FROM python:3.11-slim\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends \\\n"
        "    build-essential libpq-dev \\\n"
        "    # for labels\n"
        "    libmagic1 poppler-utils=22.* \\\n"
        "    && rm -rf /var/lib/apt/lists/*\n"
        "COPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD gunicorn wsgi:app\n"
    ),
    "docker-compose.yml": (
        "version: '3'\nservices:\n  web:\n    build: .\n    ports: ['5000:5000']\n"
        "  db:\n    image: postgres:13\n  cache:\n    image: docker.io/library/redis:6-alpine\n"
    ),
    ".github/workflows/ci.yml": "on: push\njobs: {test: {runs-on: ubuntu-latest, steps: [{run: pytest}]}}\n",
    ".gitignore": "__pycache__/\n",
}

DJANGO = {
    "README.rst": "Clinic\n======\n\nAppointments of a veterinary clinic, with reminders by mail.\n",
    "manage.py": "import os\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'clinic.settings')\n",
    "clinic/__init__.py": "",
    "clinic/settings.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}\n",
    "clinic/celery.py": "from celery import Celery\n\napp = Celery('clinic')\n",
    "appointments/__init__.py": "",
    "appointments/templates/list.html": "<ul></ul>\n",
    "requirements/base.txt": "Django>=5\ncelery[redis]~=5.4\n",
    "requirements/dev.txt": "-r base.txt\npytest-django\npsycopg2\n",
    "docker/Dockerfile": "FROM python:3.12-alpine AS base\nRUN apk add libpq\nFROM base\nCOPY . .\n",
    "docker-compose.prod.yml": "services:\n  web:\n    image: registry.example.com/clinic:latest\n",
    ".gitlab-ci.yml": "deploy:\n  script:\n    - ssh root@host docker compose -f docker-compose.prod.yml up -d\n",
}

POETRY = {
    "pyproject.toml": (
        '[tool.poetry]\nname = "parcel_tracker"\nversion = "1.4.0"\ndescription = "Where is my parcel?"\n'
        '[tool.poetry.dependencies]\npython = "^3.11"\nfastapi = "^0.115"\nasyncpg = "*"\nredis = {version = "^5"}\n'
        '[tool.poetry.group.dev.dependencies]\npytest = "*"\ncelery = "*"\n'
        '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
    ),
    "poetry.lock": "",
    "parcel_tracker/__init__.py": "",
    "parcel_tracker/main.py": "from fastapi import FastAPI\n\napp = FastAPI(redoc_url='/health')\n",
    "tests/__init__.py": "",
    "Dockerfile": (
        "FROM python:3.12 AS builder\nRUN apt-get update && apt-get install -y gcc libffi-dev\nRUN pip install poetry\n"
        "FROM gcr.io/distroless/python3-debian12\nCOPY --from=builder /app /app\n"
    ),
}

READY = {
    "pyproject.toml": (
        '[project]\nname = "ledger"\nversion = "3.0.0"\ndescription = "Double-entry bookkeeping as a service."\n'
        'requires-python = ">=3.12"\ndependencies = ["fastapi", "uvicorn"]\n'
        '[project.scripts]\nledger = "ledger.cli:main"\n'
        '[dependency-groups]\ndev = ["pytest", "pytest-cov", "pre-commit", "mypy", "watchfiles"]\n'
        '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
        '[tool.ruff]\nextend = ".towpath/ruff.toml"\n'
    ),
    "uv.lock": "version = 1\n",
    "src/ledger/__init__.py": "",
    "src/ledger/cli.py": "import os\n\nPORT = os.environ.get('PORT')\nCOMMANDS = {'serve': None}\n",
    "src/ledger/app.py": "READY = '/readyz'\n",
    "tests/test_app.py": "",
    ".env.example": "",
    ".pre-commit-config.yaml": "repos: [] # .towpath/pre-commit.yaml\n",
}

MODEL = {
    "setup.py": (
        "from setuptools import setup\n\nVERSION = '1.0'\n\nsetup(name='churn-model', version=VERSION, "
        "description='Who is about to leave.', packages=['churn'], "
        "install_requires=['flask', 'scikit-learn>=1', 'psycopg2'])\n"
    ),
    "churn/__init__.py": "",
    "churn/serve.py": "import os\n\nport = os.environ['PORT']\n",
    "Dockerfile": (
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN apt-get update; apt-get -y install libgomp1\nCOPY . .\n"
    ),
}

SHAPES = {"flask": FLASK, "django": DJANGO, "poetry": POETRY, "ready": READY, "model": MODEL}
