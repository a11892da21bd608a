import js from "@eslint/js";
import globals from "globals";

// The page puts all scripts into one (report/page.py), which takes away imports and exports of this form alone.
const ONE_SCRIPT = [
  {
    selector: "ImportDefaultSpecifier, ImportNamespaceSpecifier, ImportExpression",
    message: "Import by name: the page joins all scripts.",
  },
  {
    selector: "ExportDefaultDeclaration, ExportAllDeclaration, ExportSpecifier",
    message: "Export where something is declared: the page joins all scripts.",
  },
];

export default [
  { ignores: ["src/spanmatch/report/vendor/", "build/", "dist/", "site/", "docs/", ".venv/"] },
  js.configs.recommended,
  {
    files: ["src/spanmatch/report/assets/**/*.js"],
    languageOptions: { globals: { ...globals.browser, d3: "readonly", Plot: "readonly" } },
    rules: { "no-restricted-syntax": ["error", ...ONE_SCRIPT] },
  },
  { files: ["tests/**/*.js"], languageOptions: { globals: { ...globals.node, d3: "readonly" } } },
];
