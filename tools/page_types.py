"""Write the types of the pages' scripts: assets/page_data.d.ts, from report/page_schema.py, and assets/bench_data.d.ts.

python tools/page_types.py            writes the files; needs node and the packages of package.json
python tools/page_types.py --check    fails if a file is not up to date
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from spanmatch.report.page_schema import PageData
from spanmatch.schema import BenchRecord

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "src/spanmatch/report/assets"
TYPES = {ASSETS / "page_data.d.ts": PageData, ASSETS / "bench_data.d.ts": BenchRecord}
JSON2TS = ROOT / "node_modules/.bin/json2ts"
BANNER = (
    "// Generated from report/page_schema.py and schema.py by tools/page_types.py: run `make types` after a change."
)


class _Untitled(GenerateJsonSchema):
    """JSON schema in which records have a title and fields do not, each of which would become a type of its own."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def page_types(record: type) -> str:
    """Return the TypeScript declarations of a record that a page's scripts get."""
    schema = TypeAdapter(record).json_schema(schema_generator=_Untitled)
    command = [str(JSON2TS), "--additionalProperties=false", "--bannerComment", BANNER]
    return subprocess.run(command, input=json.dumps(schema), capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Write the files, or check them."""
    for path, record in TYPES.items():
        types = page_types(record)
        if "--check" not in sys.argv:
            path.write_text(types, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != types:
            sys.exit(f"{path.relative_to(ROOT)} is not up to date: run `make types`")


if __name__ == "__main__":
    main()
