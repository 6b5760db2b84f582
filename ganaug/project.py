"""``python -m ganaug.project FOLDER ...``, the documented name of ``python -m ganaug.start.dvc``."""

from ganaug.start.dvc import main

if __name__ == "__main__":
    main()
