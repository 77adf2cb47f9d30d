"""Everything that touches the network, the disk or money."""
