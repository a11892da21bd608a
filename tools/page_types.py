"""Write the types of the page's scripts: assets/page_data.d.ts, from report/page_schema.py.

python tools/page_types.py            writes the file; needs node and the packages of package.json
python tools/page_types.py --check    fails if the file is not up to date
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from spanmatch.report.page_schema import PageData

ROOT = Path(__file__).parents[1]
TYPES = ROOT / "src/spanmatch/report/assets/page_data.d.ts"
JSON2TS = ROOT / "node_modules/.bin/json2ts"
BANNER = (
    "// Generated from report/page_schema.py and schema.py by tools/page_types.py: run `make types` after a change."
)


class _Untitled(GenerateJsonSchema):
    """JSON schema in which records have a title and fields do not, each of which would become a type of its own."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def page_types() -> str:
    """Return the TypeScript declarations of what the page's scripts get."""
    schema = TypeAdapter(PageData).json_schema(schema_generator=_Untitled)
    command = [str(JSON2TS), "--additionalProperties=false", "--bannerComment", BANNER]
    return subprocess.run(command, input=json.dumps(schema), capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Write the file, or check it."""
    types = page_types()
    if "--check" not in sys.argv:
        TYPES.write_text(types, encoding="utf-8")
    elif TYPES.read_text(encoding="utf-8") != types:
        sys.exit(f"{TYPES.relative_to(ROOT)} is not up to date: run `make types`")


if __name__ == "__main__":
    main()
