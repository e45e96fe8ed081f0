"""Launch the command line from a checkout: `python cli.py compute --ckpt model.pt`."""

from landscape.commands.main import main

if __name__ == "__main__":
    main()
