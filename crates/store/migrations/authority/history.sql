-- What centers were told of one number, for its history.
CREATE INDEX device_registration_number ON device_registration (number, sequence);
