"""An hour of a sub-district at many times the speed: what people and devices do to the centre, and every published figure
against the script."""
