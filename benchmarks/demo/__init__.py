"""The whole loop on one machine: simulated cameras over RTSP, the agent, an MQTT broker, the centre, an officer."""
