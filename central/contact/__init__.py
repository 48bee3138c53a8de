"""Messages to residents, reporters and merchants: in-app and SMS, once each."""
