"""`python -m landscape` is the command `landscape`."""

from landscape.commands.main import main

if __name__ == "__main__":
    main()
