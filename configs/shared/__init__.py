"""What config files are written with: experiments, studies, strengths."""
