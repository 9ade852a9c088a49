"""`python -m immich_pipeline`."""

from immich_pipeline.cli import main

if __name__ == "__main__":
    main(prog_name="immich-pipeline")
