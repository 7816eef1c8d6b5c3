-- What people look for in the console: devices by product and state, calls by hour, incidents by time, requests
-- by device. A number without its serial is the product and a hyphen.
CREATE INDEX device_product ON device (rtrim(number, '0123456789'), state);
CREATE INDEX device_changed ON device (changed, number);
CREATE INDEX journal_time ON journal (time) WHERE number IS NOT NULL;
CREATE INDEX incident_last ON incident (last);
CREATE INDEX request_device ON request (device, id);
