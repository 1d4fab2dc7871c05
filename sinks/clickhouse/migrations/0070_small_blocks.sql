-- A look-up reads one artifact here and one there, of each all that was compressed together: that is one granule now, not two
-- and more. It holds for parts that are written from now on.
ALTER TABLE {{ database }}.artifact_marks MODIFY SETTING min_compress_block_size = 4096;
