"""What officers do on the street: sent from their phones, each thing once, whatever the network does."""
