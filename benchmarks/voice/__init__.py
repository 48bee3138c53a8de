"""How well and how fast the centre suggests the same matter while a resident types."""
