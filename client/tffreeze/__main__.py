"""`python -m tffreeze` is `tffreeze`."""

from tffreeze.cli.main import main

if __name__ == "__main__":
    main()
