"""`python -m deploy.grafana.builder [--check]`: writes the files, or says which differ (exit code 1)."""

import sys

from deploy.grafana.builder.files import FOLDER_OF_ALL, differences, write


def main(arguments: list[str]) -> int:
    """0 if all is written or as it should be, 1 if a file differs, 2 for other arguments."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m deploy.grafana.builder [--check]\n")
        return 2
    if not arguments:
        sys.stdout.writelines(f"wrote {path}\n" for path in write(FOLDER_OF_ALL))
        return 0
    changed = differences(FOLDER_OF_ALL)
    sys.stderr.writelines(f"deploy/grafana/{path} differs: run python -m deploy.grafana.builder\n" for path in changed)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
