"""What runs next when results decide: climbs, and more samples for the gate."""
